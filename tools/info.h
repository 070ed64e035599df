/* info.h - the three things that skep info can be asked about, a file each. */
#ifndef SKEP_TOOLS_INFO_H
#define SKEP_TOOLS_INFO_H

#include "tools/target.h"

struct cli_info_args {
    struct cli_target_args target;
};

int cli_info_object(struct cli_call *call, const char *word);
int cli_info_store(struct cli_call *call, const char *uri);
int cli_info_scheme(struct cli_call *call, const char *scheme);

#endif
