// Splits that are folders or tars of JPEG files: listed, decoded once into a file of the cache
// folder, and read from there.
#pragma once

#include "data/dataset.h"

namespace bitsweep::data {

// load_images() of a data set with Storage::jpeg. File order is the order of the file names.
//
// Each image is decoded (data/jpeg.h), scaled and cropped (data/resample.h) on all processors, at
// most one a processor in memory. Images of four inks are converted, counted and named in the log;
// broken ones are counted and named in a DataError. The decoded images lie in
// cache_folder()/images; a cache file that was cut short or changed is made again, with a warning.
//
// Where the split's digest is known, the whole split is decoded whatever the selection, and
// compared with it: SHA-256 over the SHA-256 (in hexadecimal) of each image's label (2 bytes,
// little-endian) and pixels before scaling ([height, width, 3]). Otherwise only the chosen images
// are.
Images load_jpeg_images(const Dataset& dataset, const Selection& selection,
                        const std::string& root);

}  // namespace bitsweep::data
