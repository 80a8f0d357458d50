/* SPDX-License-Identifier: Apache-2.0 */

/* The words that the public enumerations have: those of the wire's tables. */

#include <netext/netext.h>

#include "sdk/public.h"
#include "wire/names.h"

_public_ const char *nx_version(void)
{
        return NETEXT_VERSION;
}

_public_ const char *nx_verdict_to_string(enum nx_verdict verdict)
{
        return wire_name_to_string(wire_verdicts, (int)verdict);
}

_public_ const char *nx_direction_to_string(enum nx_direction direction)
{
        return wire_name_to_string(wire_directions, (int)direction);
}
