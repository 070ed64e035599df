/* help.h - printing help. */
#ifndef SKEP_TOOLS_HELP_H
#define SKEP_TOOLS_HELP_H

#include "tools/command.h"
#include <stdio.h>

void cli_help_all(FILE *to);
void cli_help_command(FILE *to, const struct cli_command *command);

#endif
