// CIFAR-10 (Krizhevsky 2009), binary version: 50,000 training and 10,000 test images, 32 × 32 RGB.
#include "data/cifar10.h"

namespace bitsweep::data {

const std::vector<std::string>& cifar10_classes() {
  static const std::vector<std::string> names = {
      "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};
  return names;
}

void register_cifar10(Registry<Dataset>& registry) {
  Dataset dataset;
  dataset.name = "cifar10";
  dataset.summary = "CIFAR-10: 50,000 training and 10,000 test images, 32 x 32, 10 classes";
  dataset.shape = {3, 32, 32};
  dataset.class_names = cifar10_classes();
  dataset.normalize = "cifar10";
  dataset.train.files = {
      {"data_batch_1.bin", 10000,
       "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5"},
      {"data_batch_2.bin", 10000,
       "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed"},
      {"data_batch_3.bin", 10000,
       "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67"},
      {"data_batch_4.bin", 10000,
       "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48"},
      {"data_batch_5.bin", 10000,
       "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add"},
  };
  dataset.train.digest = "a0181da372c0d63a5920fdbea2ec3f83ecbc552d378218e1cb473cf634941a3b";
  dataset.test.files = {{"test_batch.bin", 10000,
                         "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b"}};
  dataset.test.digest = dataset.test.files.front().checksum;
  dataset.folders = {"cifar10", "cifar-10-batches-bin", ""};
  dataset.archive = "cifar-10-binary.tar.gz";
  dataset.archive_url = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
  dataset.remedy = "set BITSWEEP_DATA or data.root, or run 'bitsweep data get cifar10'";
  registry.add(std::move(dataset));
}

}  // namespace bitsweep::data
