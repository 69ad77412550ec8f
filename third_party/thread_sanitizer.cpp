// What ThreadSanitizer leaves out, linked into every program of a ThreadSanitizer build. Nothing of ours is named.
// - libdnnl is not built for ThreadSanitizer and forks and joins its threads through libgomp, which is not either: of
//   its work only calls like memset are seen, without the order that the fork and the join give.
// - OpenCV's codecs load GDAL, which takes two of its own locks in either order while it starts up.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() {
  return "called_from_lib:libdnnl.so\n"
         "deadlock:libgdal\n";
}
