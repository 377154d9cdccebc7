// Pages that are generated from the code, and examples that the documentation shows.
#include <catch2/catch_test_macros.hpp>

#include "core/file.h"
#include "program.h"

using bitsweep::test::run_bitsweep;

TEST_CASE("docs/cli.md, docs/config.md and docs/models.md are what the code says", "[cli]") {
  for (const std::string page : {"cli", "config", "models"}) {
    const auto outcome = run_bitsweep({"docs", page}, SOURCE_FOLDER);
    REQUIRE(outcome.exit_code == 0);
    INFO("bitsweep docs " << page << " > docs/" << page << ".md makes it again");
    CHECK(outcome.out == ::bitsweep::read_text_file(std::string(SOURCE_FOLDER) + "/docs/" + page + ".md"));
  }
}

TEST_CASE("every command has help with an example", "[cli]") {
  const auto list = run_bitsweep({"list", "commands", "--json"}, SOURCE_FOLDER);
  REQUIRE(list.exit_code == 0);
  std::size_t at = 0;
  int commands = 0;
  while ((at = list.out.find("\"name\": \"", at)) != std::string::npos) {
    at += 9;
    const std::string name = list.out.substr(at, list.out.find('"', at) - at);
    const auto help = run_bitsweep({name, "--help"}, SOURCE_FOLDER);
    INFO(name);
    CHECK(help.exit_code == 0);
    CHECK(help.out.find("Example") != std::string::npos);
    ++commands;
  }
  CHECK(commands >= 15);
}
