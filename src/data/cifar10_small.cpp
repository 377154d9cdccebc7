// The images of CIFAR-10 that the repository carries (experiments/data/cifar10_small), made by
// scripts/make_cifar10_small.
#include "data/cifar10.h"

namespace bitsweep::data {

void register_cifar10_small(Registry<Dataset>& registry) {
  Dataset dataset;
  dataset.name = "cifar10_small";
  dataset.summary = "1,000 test and 512 training images of CIFAR-10, stratified; carried along";
  dataset.shape = {3, 32, 32};
  dataset.class_names = cifar10_classes();
  dataset.normalize = "cifar10";
  dataset.train.files = {
      {"train.bin", 512, "9bc4ba47e08ff251674c5f4f9fa66664d71cd0e9d353bcd118bf1ca51244b232"}};
  dataset.train.digest = dataset.train.files.front().checksum;
  dataset.test.files = {
      {"test.bin", 1000, "2874326af7bc2185faa47540a6da15a077e5b66659f8e479abb9ab628170fa86"}};
  dataset.test.digest = dataset.test.files.front().checksum;
  dataset.folders = {"cifar10_small"};
  dataset.remedy =
      "it lies in experiments/data of the repository; set BITSWEEP_DATA to that folder";
  registry.add(std::move(dataset));
}

}  // namespace bitsweep::data
