/* suggest.c - edit distance, with a swap of two neighbours as one step. */
#include "tools/suggest.h"
#include <string.h>

#define LONGEST 48 /* longer words get no suggestion */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Three rows of the usual table: the last two and the one being filled. */
static size_t distance(const char *a, size_t n, const char *b, size_t m)
{
    size_t rows[3][LONGEST + 1];

    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *row = rows[i % 3];
        const size_t *above = rows[(i + 2) % 3];
        const size_t *above2 = rows[(i + 1) % 3];

        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], above2[j - 2] + 1);
        }
    }
    return rows[n % 3][m];
}

void cli_suggest_offer(struct cli_suggest *near, const char *word)
{
    size_t length = strlen(word);
    size_t d;

    if (near->length == 0 || near->length > LONGEST || length > LONGEST)
        return;
    d = distance(near->typed, near->length, word, length);
    if (near->length >= 2 && strncmp(near->typed, word, near->length) == 0)
        d = 1; /* its beginning */
    if (d <= 1 + length / 4 && d < length && (!near->best || d < near->distance)) {
        near->best = word;
        near->distance = d;
    }
}
