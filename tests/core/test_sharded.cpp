#include "core/tensors/sharded.h"
