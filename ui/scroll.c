#include "ui/scroll.h"

void scroll_by(struct scroll *scroll, ptrdiff_t lines, size_t count)
{
    size_t last = count > 0 ? count - 1 : 0;
    if (lines < 0)
        scroll->at = scroll->at > (size_t)-lines ? scroll->at - (size_t)-lines : 0;
    else
        scroll->at = (size_t)lines < last - (scroll->at < last ? scroll->at : last)
                         ? scroll->at + (size_t)lines
                         : last;
}

bool scroll_act(struct scroll *scroll, enum action action, size_t count, size_t seen)
{
    ptrdiff_t page = seen > 2 ? (ptrdiff_t)seen - 1 : 1;
    switch (action) {
    case ACTION_DOWN:
        scroll_by(scroll, 1, count);
        return true;
    case ACTION_UP:
        scroll_by(scroll, -1, count);
        return true;
    case ACTION_HALF_DOWN:
        scroll_by(scroll, (page + 1) / 2, count);
        return true;
    case ACTION_HALF_UP:
        scroll_by(scroll, -(page + 1) / 2, count);
        return true;
    case ACTION_PAGE_DOWN: /* what is seen moves as well as the cursor */
        scroll_by(scroll, page, count);
        scroll->first += (size_t)page;
        return true;
    case ACTION_PAGE_UP:
        scroll_by(scroll, -page, count);
        scroll->first -= scroll->first > (size_t)page ? (size_t)page : scroll->first;
        return true;
    case ACTION_TOP:
        scroll->at = 0;
        return true;
    case ACTION_BOTTOM:
        scroll->at = count > 0 ? count - 1 : 0;
        return true;
    default:
        return false;
    }
}

void scroll_fit(struct scroll *scroll, size_t count, size_t seen)
{
    scroll_by(scroll, 0, count);
    if (seen == 0)
        seen = 1;
    if (scroll->first > scroll->at)
        scroll->first = scroll->at;
    if (scroll->at - scroll->first >= seen)
        scroll->first = scroll->at - seen + 1;
    if (scroll->first + seen > count)
        scroll->first = count > seen ? count - seen : 0;
}
