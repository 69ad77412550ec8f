#include "core/zip_directory.h"
