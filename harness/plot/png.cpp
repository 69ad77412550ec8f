#include "harness/plot/png.h"

#include <cmath>
#include <memory>

#include "core/error.h"

#ifdef QCFACE_HAS_RSVG
#include <cairo.h>
#include <librsvg/rsvg.h>
#endif

namespace qcface {

#ifdef QCFACE_HAS_RSVG
namespace {

constexpr double kMostPixels = 1e8;

template <auto release>
struct Releaser {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
using Handle = std::unique_ptr<RsvgHandle, Releaser<g_object_unref>>;
using Surface = std::unique_ptr<cairo_surface_t, Releaser<cairo_surface_destroy>>;
using Context = std::unique_ptr<cairo_t, Releaser<cairo_destroy>>;

// Why the library refuses.
class Problem {
 public:
  ~Problem() { g_clear_error(&error_); }
  GError** out() { return &error_; }
  const char* what() const { return error_ != nullptr ? error_->message : "no reason given"; }

 private:
  GError* error_ = nullptr;
};

cairo_status_t append(void* text, const unsigned char* data, unsigned int bytes) {
  static_cast<std::string*>(text)->append(reinterpret_cast<const char*>(data), bytes);
  return CAIRO_STATUS_SUCCESS;
}

}  // namespace

bool can_render_png() { return true; }

std::string render_png(std::string_view svg, double scale) {
  Problem problem;
  const Handle handle(
      rsvg_handle_new_from_data(reinterpret_cast<const guint8*>(svg.data()), svg.size(), problem.out()));
  require(handle != nullptr, "PNG of a figure: the SVG cannot be read: {}", problem.what());
  gboolean has_width = FALSE, has_height = FALSE, has_box = FALSE;
  RsvgLength width{}, height{};
  RsvgRectangle box{};
  rsvg_handle_get_intrinsic_dimensions(handle.get(), &has_width, &width, &has_height, &height, &has_box,
                                       &box);
  require(has_width && has_height && width.unit == RSVG_UNIT_PX && height.unit == RSVG_UNIT_PX,
          "PNG of a figure: the SVG has no width and height in pixels");
  const double columns = std::ceil(width.length * scale), rows = std::ceil(height.length * scale);
  require(columns >= 1 && rows >= 1 && columns * rows <= kMostPixels,
          "PNG of a figure: {} x {} pixels, expected at least one and at most {:.0f}", columns, rows,
          kMostPixels);

  const Surface surface(
      cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(columns), static_cast<int>(rows)));
  const Context context(cairo_create(surface.get()));
  cairo_set_source_rgb(context.get(), 1, 1, 1);
  cairo_paint(context.get());
  const RsvgRectangle viewport{0, 0, columns, rows};
  require(rsvg_handle_render_document(handle.get(), context.get(), &viewport, problem.out()) != FALSE,
          "PNG of a figure: it cannot be drawn: {}", problem.what());
  std::string png;
  const cairo_status_t status = cairo_surface_write_to_png_stream(surface.get(), append, &png);
  require(status == CAIRO_STATUS_SUCCESS, "PNG of a figure: {}", cairo_status_to_string(status));
  return png;
}

#else

bool can_render_png() { return false; }

std::string render_png(std::string_view, double) {
  fail("PNG of a figure: this build has no librsvg; install librsvg2-dev and configure again");
}

#endif

}  // namespace qcface
