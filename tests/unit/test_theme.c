/* Tests of ui/theme: readable, told apart without colours, and near in fewer colours. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ui/theme.h"

static void themes_are_found_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"dark", "light", "mono"};
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(theme_at(i)->name, names[i]);
        assert_ptr_equal(theme_named(names[i]), theme_at(i));
    }
    assert_null(theme_at(3));
    assert_null(theme_named(""));
    assert_null(theme_named("dar"));
}

static void a_theme_is_guessed_from_the_environment(void **state)
{
    (void)state;
    static const struct {
        const char *none, *colours, *theme;
    } cases[] = {{NULL, NULL, "dark"},   {"", "0;15", "light"},  {NULL, "0;default;7", "light"},
                 {NULL, "15;0", "dark"}, {NULL, "15", "dark"},   {NULL, "7;8", "dark"},
                 {"1", "0;15", "mono"},  {NULL, "0;157", "dark"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        unsetenv("NO_COLOR");
        unsetenv("COLORFGBG");
        if (cases[i].none)
            setenv("NO_COLOR", cases[i].none, 1);
        if (cases[i].colours)
            setenv("COLORFGBG", cases[i].colours, 1);
        assert_string_equal(theme_guess()->name, cases[i].theme);
    }
}

static void what_matters_is_told_apart_without_colours(void **state)
{
    (void)state;
    static const enum theme_style styles[] = {THEME_TEXT,    THEME_SELECTED, THEME_CURSOR,
                                              THEME_CHOSEN,  THEME_HIT,      THEME_HIT_HERE,
                                              THEME_PASSAGE, THEME_VERIFIED, THEME_UNVERIFIED};
    size_t count = sizeof(styles) / sizeof(*styles);
    for (size_t t = 0; theme_at(t); t++)
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < i; j++)
                assert_int_not_equal(theme_at(t)->looks[styles[i]].plain,
                                     theme_at(t)->looks[styles[j]].plain);
    assert_false(theme_named("mono")->colours);
    for (int i = 0; i < THEME_STYLES; i++) {
        const struct theme_look *look = &theme_named("mono")->looks[i];
        assert_int_equal(look->attributes, look->plain);
        assert_int_equal(look->foreground, THEME_DEFAULT);
        assert_int_equal(look->background, THEME_DEFAULT);
    }
}

/* Relative luminance and contrast as WCAG 2 defines them. */
static double luminance(int32_t colour)
{
    static const double weights[3] = {0.2126, 0.7152, 0.0722};
    double sum = 0;
    for (int i = 0; i < 3; i++) {
        double part = (double)((colour >> (16 - 8 * i)) & 0xFF) / 255;
        part = part <= 0.04045 ? part / 12.92 : pow((part + 0.055) / 1.055, 2.4);
        sum += weights[i] * part;
    }
    return sum;
}

static double contrast(int32_t a, int32_t b)
{
    double x = luminance(a), y = luminance(b);
    return x > y ? (x + 0.05) / (y + 0.05) : (y + 0.05) / (x + 0.05);
}

static void texts_can_be_read(void **state)
{
    (void)state;
    static const struct {
        const char *theme;
        int32_t background; /* what such terminals have */
    } cases[] = {{"dark", 0x000000}, {"dark", 0x24272E}, {"light", 0xFFFFFF}, {"light", 0xF7F3E8}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        const struct theme *theme = theme_named(cases[c].theme);
        for (int i = 0; i < THEME_STYLES; i++) {
            const struct theme_look *look = &theme->looks[i];
            bool shape = i == THEME_BORDER || i == THEME_BAR || i == THEME_BAR_REST ||
                         (i >= THEME_MAP_0 && i <= THEME_MAP_7);
            int32_t background =
                look->background == THEME_DEFAULT ? cases[c].background : look->background;
            if (look->foreground == THEME_DEFAULT) {
                assert_int_equal(look->background, THEME_DEFAULT);
                continue;
            }
            double found = contrast(look->foreground, background);
            if (found < (shape ? 2.8 : 4.5))
                fail_msg("%s, style %d: contrast %.2f", theme->name, i, found);
        }
    }
}

static void fewer_colours_are_near(void **state)
{
    (void)state;
    static const struct {
        int32_t colour;
        int many, eight;
    } cases[] = {{0x000000, 16, 0},  {0xFFFFFF, 231, 7}, {0xFF0000, 196, 1}, {0x00FF00, 46, 2},
                 {0xFFFF00, 226, 3}, {0x0000FF, 21, 4},  {0xFF00FF, 201, 5}, {0x00FFFF, 51, 6},
                 {0x808080, 244, 7}, {0x121212, 233, 0}, {0x5F87AF, 67, 4},  {0xF09A92, 210, 1},
                 {0xEEEEEE, 255, 7}, {0x4F81BD, 67, 4}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(theme_nearest_256(cases[i].colour), cases[i].many);
        assert_int_equal(theme_nearest_8(cases[i].colour), cases[i].eight);
    }
    for (int32_t colour = 0; colour < 0x1000000; colour += 0x0305) {
        assert_in_range(theme_nearest_256(colour), 16, 255);
        assert_in_range(theme_nearest_8(colour), 0, 7);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(themes_are_found_by_name),
        cmocka_unit_test(a_theme_is_guessed_from_the_environment),
        cmocka_unit_test(what_matters_is_told_apart_without_colours),
        cmocka_unit_test(texts_can_be_read),
        cmocka_unit_test(fewer_colours_are_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
