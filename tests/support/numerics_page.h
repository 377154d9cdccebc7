// The tables of docs/numerics.md, read so that tests can recompute every example
// (BITSWEEP_NUMERICS_PAGE is the page's path).
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace bitsweep::testing {

using Row = std::map<std::string, std::string>;  // by column heading

struct Example {
  int line;
  Row row;
};

inline std::vector<std::string> cells(const std::string& line) {
  std::vector<std::string> out;
  std::stringstream stream(line.substr(1));
  for (std::string cell; std::getline(stream, cell, '|');) {
    const auto first = cell.find_first_not_of(' ');
    out.push_back(first == std::string::npos
                      ? ""
                      : cell.substr(first, cell.find_last_not_of(' ') - first + 1));
  }
  return out;
}

// The rows of all tables of the page whose first heading is `first`.
inline std::vector<Example> examples(const std::string& first) {
  std::ifstream page(BITSWEEP_NUMERICS_PAGE);
  REQUIRE(page.good());
  std::vector<Example> out;
  std::vector<std::string> headings;
  int number = 0;
  for (std::string line; std::getline(page, line);) {
    ++number;
    if (!line.starts_with("|")) {
      headings.clear();
    } else if (headings.empty()) {
      headings = cells(line);
    } else if (headings[0] == first && !line.starts_with("|---")) {
      const auto row = cells(line);
      INFO("line " << number);
      REQUIRE(row.size() == headings.size());
      Example example{number, {}};
      for (std::size_t i = 0; i < row.size(); ++i) example.row[headings[i]] = row[i];
      out.push_back(std::move(example));
    }
  }
  return out;
}

inline float number(const std::string& text) {
  char* end = nullptr;
  const float value = std::strtof(text.c_str(), &end);
  INFO("'" << text << "' is a number");
  REQUIRE((!text.empty() && *end == '\0'));
  return value;
}

// "0.25, -0.25"
inline std::vector<float> numbers(const std::string& text) {
  std::vector<float> out;
  std::stringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');)
    out.push_back(number(part.substr(part.find_first_not_of(' '))));
  return out;
}

}  // namespace bitsweep::testing
