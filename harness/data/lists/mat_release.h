// How libmatio's files and variables are given back.
#pragma once

#include <matio.h>

namespace qcface::data {

struct MatRelease {
  void operator()(mat_t* file) const { Mat_Close(file); }
  void operator()(matvar_t* variable) const { Mat_VarFree(variable); }
};

}  // namespace qcface::data
