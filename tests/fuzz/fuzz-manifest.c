/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-sources: src/bundle/manifest-parse.c src/bundle/manifest-form.c src/bundle/manifest.c */
/* fuzz-sources: src/bundle/report.c src/bundle/check.c src/bundle/text.c src/bundle/version.c */
/* fuzz-flags: -ljansson -DNETEXT_VERSION="0.1.0" */

/*
 * A manifest. What is not complained of is sound, whoever asks; every complaint has a file and a
 * sentence; and the report stays short.
 */

#include <stdlib.h>

#include "bundle/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
        if (!condition)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        struct bundle_report report = {};
        struct manifest manifest = {};

        manifest_parse(&manifest, (const char *)data, size, &report);
        for (size_t i = 0; i < report.n_findings; i++)
                require(report.findings[i].file && report.findings[i].text &&
                        *report.findings[i].text);
        require(report.n_failed > 0 || manifest_is_sound(&manifest));
        require(!report.incomplete);
        require(bundle_report_finish(&report, BUNDLE_CHECK_MANIFEST_MISSING,
                                     BUNDLE_CHECK_EXECUTABLE_PATH) == 0);
        manifest_deinit(&manifest);
        bundle_report_deinit(&report);
        return 0;
}
