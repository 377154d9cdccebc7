// Batches as a network reads them, channels last, gathered from uint8 in one pass: normalised and,
// for training, randomly cropped and flipped (the augmentation of documents 001 and 002, facts A.6;
// torchvision's RandomCrop(size, padding) and RandomHorizontalFlip).
#pragma once

#include <cstdint>
#include <span>

#include "data/dataset.h"
#include "data/normalize.h"

namespace bitsweep::data {

struct Augmentation {
  bool enabled = true;
  int padding = 4;   // rows and columns of zero *pixels* on each side; crops are drawn among them
  bool flip = true;  // left to right, for one image of two
};

// Where the crop of one image begins, and whether it is mirrored. {0, 0, false}: as it is.
struct Crop {
  int top = 0;   // row of the image that the output's first row shows: −padding … padding
  int left = 0;  // column, before mirroring
  bool mirrored = false;
};

// What happens to image `position` in an epoch: a pure function of these four, so that batches,
// order, threads and interruptions cannot change it. Philox block `position` of (seed,
// OrderStream::augmentation, epoch): word 0 draws the row, word 1 the column, word 2 the flip.
Crop draw_crop(const Augmentation& augmentation, std::uint64_t seed, std::uint32_t epoch,
               std::int64_t position);

// The images at `positions` (of `images`), in this order, as out: [count, height, width, 3]
// float32 and labels: [count]. What lies outside an image is pixel value 0, normalised like any
// other. `epoch`: from 0.
void training_batch(const Images& images, std::span<const std::int64_t> positions,
                    const Normalization& normalization, const Augmentation& augmentation,
                    std::uint64_t seed, std::uint32_t epoch, float* out, std::int32_t* labels);

// The same without augmentation.
void evaluation_batch(const Images& images, std::span<const std::int64_t> positions,
                      const Normalization& normalization, float* out, std::int32_t* labels);

}  // namespace bitsweep::data
