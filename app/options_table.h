/* options_table.h: private to options*.c. */
#ifndef TIDEMARK_APP_OPTIONS_TABLE_H
#define TIDEMARK_APP_OPTIONS_TABLE_H

#define OPTIONS_TABLE_LIMIT 80 /* room for entries, the last one not counted */

#endif
