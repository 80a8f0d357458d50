/* SPDX-License-Identifier: Apache-2.0 */

/* What a bundle owns. */

#include <stdlib.h>

#include "bundle/bundle.h"

void bundle_deinit(struct bundle *bundle)
{
        manifest_deinit(&bundle->manifest);
        free(bundle->signer.team);
        free(bundle->signer.name);
        free(bundle->signer.root);
        free(bundle->signer.identity);
        bundle_report_deinit(&bundle->report);
        *bundle = (struct bundle){};
}
