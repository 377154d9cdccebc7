// Weights on the centroids of a clustering (document 004's k-means script; facts B.5): not a grid,
// a table of at most 2^bits values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace bitsweep::quant {

// Lloyd's algorithm on the real line: at most 2^bits centroids, ascending and different, each the
// mean of the values nearest to it. Begins at the evenly spaced quantiles of the values, so that
// nothing is drawn; ends when no value changes its cluster, or after 300 rounds. Where the values
// are few, each is a centroid. values: not empty, finite; bits 1 … 16.
std::vector<float> kmeans_centroids(std::span<const float> values, int bits);

// codes[i] = position of the centroid nearest to values[i], the lower of two as near.
void nearest_centroids(std::span<const float> values, std::span<const float> centroids,
                       std::span<std::int32_t> codes);

}  // namespace bitsweep::quant
