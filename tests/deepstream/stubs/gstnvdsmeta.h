/* DeepStream's gstnvdsmeta.h includes nvdsmeta.h; written for the tests. */
#pragma once
#include "nvdsmeta.h"
