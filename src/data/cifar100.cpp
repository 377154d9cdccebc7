// CIFAR-100 (Krizhevsky 2009), binary version: 50,000 training and 10,000 test images, 32 × 32 RGB.
// The class is the fine one; the coarse class stands before it in each record.
#include "data/dataset.h"

namespace bitsweep::data {

void register_cifar100(Registry<Dataset>& registry) {
  Dataset dataset;
  dataset.name = "cifar100";
  dataset.summary = "CIFAR-100: 50,000 training and 10,000 test images, 32 x 32, 100 classes";
  dataset.shape = {3, 32, 32};
  dataset.label_bytes = 2;
  dataset.class_names = {
      "apple",       "aquarium_fish", "baby",      "bear",       "beaver",       "bed",
      "bee",         "beetle",        "bicycle",   "bottle",     "bowl",         "boy",
      "bridge",      "bus",           "butterfly", "camel",      "can",          "castle",
      "caterpillar", "cattle",        "chair",     "chimpanzee", "clock",        "cloud",
      "cockroach",   "couch",         "crab",      "crocodile",  "cup",          "dinosaur",
      "dolphin",     "elephant",      "flatfish",  "forest",     "fox",          "girl",
      "hamster",     "house",         "kangaroo",  "keyboard",   "lamp",         "lawn_mower",
      "leopard",     "lion",          "lizard",    "lobster",    "man",          "maple_tree",
      "motorcycle",  "mountain",      "mouse",     "mushroom",   "oak_tree",     "orange",
      "orchid",      "otter",         "palm_tree", "pear",       "pickup_truck", "pine_tree",
      "plain",       "plate",         "poppy",     "porcupine",  "possum",       "rabbit",
      "raccoon",     "ray",           "road",      "rocket",     "rose",         "sea",
      "seal",        "shark",         "shrew",     "skunk",      "skyscraper",   "snail",
      "snake",       "spider",        "squirrel",  "streetcar",  "sunflower",    "sweet_pepper",
      "table",       "tank",          "telephone", "television", "tiger",        "tractor",
      "train",       "trout",         "tulip",     "turtle",     "wardrobe",     "whale",
      "willow_tree", "wolf",          "woman",     "worm"};
  dataset.normalize = "cifar100";
  dataset.train.files = {{"train.bin", 50000, "sha1:e207cd2e05b73b1393c74c7f5e7bea451d63e08e"}};
  dataset.train.digest = dataset.train.files.front().checksum;
  dataset.test.files = {{"test.bin", 10000, "sha1:8fb6623e830365ff53cf14adec797474f5478006"}};
  dataset.test.digest = dataset.test.files.front().checksum;
  dataset.folders = {"cifar100", "cifar-100-binary", ""};
  dataset.archive = "cifar-100-binary.tar.gz";
  dataset.archive_url = "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz";
  dataset.remedy = "set BITSWEEP_DATA or data.root, or run 'bitsweep data get cifar100'";
  registry.add(std::move(dataset));
}

}  // namespace bitsweep::data
