#include "config/docs.h"

#include "core/file.h"
#include "support.h"

using namespace bitsweep::config;

TEST_CASE("the committed docs/config.md is what the table of keys generates") {
  const std::string committed = bitsweep::read_text_file(BITSWEEP_SOURCE_ROOT "/docs/config.md");
  CHECK(committed == config_page());
}

TEST_CASE("the page of keys names every key and every preset rule") {
  const std::string page = config_page();
  for (const std::string& key : key_names()) CHECK(contains(page, "| `" + key + "` |"));
}
