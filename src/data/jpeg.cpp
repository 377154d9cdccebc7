#include "data/jpeg.h"

#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs FILE

#include "core/error.h"

namespace bitsweep::data {
namespace {

constexpr std::uint64_t kMaxPixels = 64'000'000;

// libjpeg reports through callbacks, and an error may not return: setjmp, since an exception may
// not pass through C frames.
struct Reports {
  jpeg_error_mgr manager;  // first member: libjpeg hands back a pointer to it
  std::jmp_buf on_error;
  char message[JMSG_LENGTH_MAX] = {};
};

Reports& reports_of(j_common_ptr info) { return *reinterpret_cast<Reports*>(info->err); }

[[noreturn]] void fail(j_common_ptr info) {
  Reports& reports = reports_of(info);
  (*info->err->format_message)(info, reports.message);
  std::longjmp(reports.on_error, 1);
}

// A negative level is a warning: libjpeg has made something up and goes on. Where the picture
// itself is affected that is an error here.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
      return;
    default:
      fail(info);
  }
}

// Pillow's conversion; Adobe's files hold 255 − ink. value: C, M or Y as stored, black: K as
// stored.
std::uint8_t ink_to_light(std::uint8_t value, std::uint8_t black) {
  const unsigned product = (255U - value) * black + 128U;
  return static_cast<std::uint8_t>(black - ((product + (product >> 8)) >> 8));
}

// Decodes into `out`, with a message in reports.message where it returns false. Nothing in this
// frame may need a destructor: fail() jumps over it.
bool decode(std::span<const std::byte> file, jpeg_decompress_struct& info, Reports& reports,
            DecodedJpeg& out, std::vector<std::uint8_t>& row) {
  if (setjmp(reports.on_error) != 0) return false;
  jpeg_create_decompress(&info);
  jpeg_mem_src(&info, reinterpret_cast<const unsigned char*>(file.data()),
               static_cast<unsigned long>(file.size()));
  jpeg_read_header(&info, TRUE);
  if (std::uint64_t{info.image_width} * info.image_height > kMaxPixels) {
    std::snprintf(reports.message, sizeof reports.message, "%u x %u pixels, more than 64 million",
                  info.image_width, info.image_height);
    return false;
  }
  out.was_cmyk = info.jpeg_color_space == JCS_CMYK || info.jpeg_color_space == JCS_YCCK;
  info.out_color_space = out.was_cmyk ? JCS_CMYK : JCS_RGB;
  info.dct_method = JDCT_ISLOW;
  jpeg_start_decompress(&info);
  const std::size_t width = info.output_width;
  out.image.height = info.output_height;
  out.image.width = info.output_width;
  out.image.pixels.resize(std::size_t{info.output_height} * width * 3);
  row.resize(width * static_cast<std::size_t>(info.output_components));
  std::uint8_t* to = out.image.pixels.data();
  while (info.output_scanline < info.output_height) {
    JSAMPROW target = out.was_cmyk ? row.data() : to;
    jpeg_read_scanlines(&info, &target, 1);
    for (std::size_t x = 0; out.was_cmyk && x < width; ++x) {
      const std::uint8_t* ink = row.data() + 4 * x;
      for (std::size_t c = 0; c < 3; ++c) to[3 * x + c] = ink_to_light(ink[c], ink[3]);
    }
    to += width * 3;
  }
  jpeg_finish_decompress(&info);
  return true;
}

struct Decompressor {
  jpeg_decompress_struct info{};
  ~Decompressor() { jpeg_destroy_decompress(&info); }
};

}  // namespace

DecodedJpeg decode_jpeg(std::span<const std::byte> file) {
  constexpr std::byte kStart[] = {std::byte{0xFF}, std::byte{0xD8}};
  if (file.size() < 2 || file[0] != kStart[0] || file[1] != kStart[1]) {
    throw DataError(fmt::format("it is no JPEG file ({} bytes)", file.size()));
  }
  DecodedJpeg out;
  std::vector<std::uint8_t> row;
  Reports reports{};
  Decompressor decompressor;
  decompressor.info.err = jpeg_std_error(&reports.manager);
  reports.manager.error_exit = fail;
  reports.manager.emit_message = on_message;
  if (!decode(file, decompressor.info, reports, out, row)) {
    throw DataError(fmt::format("it does not decode: {}", reports.message));
  }
  return out;
}

}  // namespace bitsweep::data
