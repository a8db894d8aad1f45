/*
 * What libyaml could not read, told in the words of people who write settings.
 */
#ifndef VRAMSPAN_POLICY_YAML_ERROR_H
#define VRAMSPAN_POLICY_YAML_ERROR_H

#include "diag.h"

#include <yaml.h>

/* Adds the error at which the parser stopped. */
void vs_yaml_report(const yaml_parser_t *parser, const struct vs_source *source, struct vs_diags *diags);

#endif
