// Stand-ins for ImageNet where ILSVRC2012 is not at hand: the 1,000 labelled images of the NIPS
// 2017 adversarial competition's development set, collected apart from ImageNet, as the test split,
// and one training image of every second class as the train split, for calibration. Easier than the
// validation images: good for differences between precisions, not for absolute accuracies.
#include "data/dataset.h"
#include "data/imagenet_classes.h"

namespace bitsweep::data {

void register_imagenet_proxy(Registry<Dataset>& registry) {
  Dataset dataset;
  dataset.name = "imagenet_proxy";
  dataset.summary =
      "1,000 labelled images of ImageNet's classes (NIPS 2017 development set); 500 to calibrate "
      "on";
  dataset.storage = Storage::jpeg;
  dataset.shape = {3, 224, 224};
  dataset.class_ids = imagenet_classes().ids;
  dataset.class_names = imagenet_classes().names;
  dataset.normalize = "imagenet";
  dataset.train.files = {{"train_sample_256.tar", 500, "", {"train_sample_256"}}};
  dataset.train.digest = "a70174e439ea344a736e7531094b6e31baf4b815eb4c5003f3bf6f90b6ac1425";
  dataset.test.files = {{"nips2017_dev_256.tar", 1000, "", {"nips2017_dev_256"}}};
  dataset.test.digest = "c7e0dca234fe797f4e1c9ae2e3e96f6126c408e861cde7df9878e4b0967c54f2";
  dataset.folders = {"imagenet_proxy", "imagenet", ""};
  dataset.remedy = "set BITSWEEP_DATA or data.root to the folder that holds the two tars";
  registry.add(std::move(dataset));
}

}  // namespace bitsweep::data
