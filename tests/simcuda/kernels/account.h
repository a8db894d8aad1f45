/* account.h: how many launches there were, and how many of them were computed; SIMCUDA_REPORT=1 prints it at exit. */
#ifndef SIM_ACCOUNT_H
#define SIM_ACCOUNT_H

#include "catalogue.h"

/* A launch was executed. Tells once, by name, of a kernel that is not computed. */
void sim_account_launch(struct sim_match *match, bool computed, bool unknown);

#endif
