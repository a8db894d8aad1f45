/* float8.h: the two 8-bit formats of the OCP 8-bit floating point specification, to and from float.
 *
 * E4M3: no infinities; all exponent and mantissa bits set is the NaN; 448 is the largest value. E5M2: as IEEE 754;
 * 57344 is the largest. Too large values become what c10::Float8_e4m3fn and c10::Float8_e5m2 (torch/headeronly/util)
 * make of them: the NaN, or infinity. Rounding is to nearest even. */
#ifndef SIM_FLOAT8_H
#define SIM_FLOAT8_H

#include <stdint.h>

float sim_e4m3_to_float(uint8_t value);
uint8_t sim_float_to_e4m3(float value);
float sim_e5m2_to_float(uint8_t value);
uint8_t sim_float_to_e5m2(float value);

#endif
