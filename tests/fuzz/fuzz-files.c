/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/bundle/files.c src/bundle/tree.c src/bundle/report.c src/bundle/check.c */
/* fuzz-sources: src/bundle/text.c */
/* fuzz-flags: -lcrypto */

/* A digest list. One that is not complained of has one form: its lines, written again, are it. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bundle/files.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

static void check_form(const struct file_list *list, const uint8_t *data, size_t size)
{
        char *again = NULL;
        size_t again_size;
        FILE *out = open_memstream(&again, &again_size);

        require(out != NULL);
        fputs("netext-files 1\n", out);
        for (size_t i = 0; i < list->n_lines; i++)
                fprintf(out, "%s %lu %c %s\n", list->lines[i].digest,
                        (unsigned long)list->lines[i].size,
                        list->lines[i].is_executable ? 'x' : '-', list->lines[i].path);
        require(fclose(out) == 0);
        require(again_size == size && memcmp(again, data, size) == 0);
        free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct bundle_report report = {};
        struct file_list list = {};

        require(file_list_parse(&list, (const char *)data, size, &report) == 0);
        if (report.n_failed == 0)
                check_form(&list, data, size);
        file_list_deinit(&list);
        bundle_report_deinit(&report);
        return 0;
}
