#include "core/pickle/reader.h"
