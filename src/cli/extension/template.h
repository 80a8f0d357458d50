/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The files of a new project, by what its extension is to provide. */

#include <stdint.h>

struct project {
        const char *identifier; /* com.example.filter */
        const char *name; /* its last label: of the program, and of what sessions are called */
        const char *team;
        uint32_t kinds; /* 1 << enum nx_provider_kind */
};

/* Callers own them. */
char *template_source(const struct project *project);
char *template_manifest(const struct project *project);
char *template_makefile(const struct project *project);
