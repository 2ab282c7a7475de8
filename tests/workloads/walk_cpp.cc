// SPDX-License-Identifier: MIT
// What C++ does to a stack: virtual calls, templates, exceptions that are caught far out, comparisons called back by the
// library, streams and regular expressions. The same calls in every run. `walk_cpp [ROUNDS]`
#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

namespace {

struct Shape {
	virtual ~Shape() = default;
	virtual std::string name(int depth) const = 0;
};

struct Square : Shape {
	std::string name(int depth) const override
	{
		return depth ? name(depth - 1) + "-square-with-a-long-name" : "square";
	}
};

struct Circle : Shape {
	std::unique_ptr<Shape> inner = std::make_unique<Square>();
	std::string name(int depth) const override { return inner->name(depth) + " in a circle"; }
};

int thrower(int depth)
{
	std::string here = "depth " + std::to_string(depth) + ", which is written out at length";

	if (depth == 0)
		throw std::runtime_error(here);
	return thrower(depth - 1) + static_cast<int>(here.size());
}

template <int N> struct Nest {
	static std::vector<std::string> make(const std::string &text)
	{
		auto v = Nest<N - 1>::make(text + "x");
		v.push_back(text + std::to_string(N));
		return v;
	}
};

template <> struct Nest<0> {
	static std::vector<std::string> make(const std::string &text) { return {text, text + text}; }
};

size_t round_of(int i)
{
	std::map<std::string, std::vector<int>> by_name;
	std::unordered_map<int, std::unique_ptr<Shape>> shapes;
	std::function<std::string(int)> walk = [&](int n) -> std::string {
		return n ? walk(n - 1) + std::string(20, 'w') : std::string(40, 'e');
	};
	size_t sum = 0;

	for (int k = 0; k < 8; k++) {
		shapes[k] = k % 2 ? std::unique_ptr<Shape>(new Square) : std::make_unique<Circle>();
		by_name[shapes[k]->name(k % 4)].push_back(i);
	}
	try {
		sum += static_cast<size_t>(thrower(6));
	} catch (const std::exception &e) {
		sum += std::string(e.what()).size() + walk(5).size();
	}
	auto names = Nest<8>::make("a name that is not short");
	std::sort(names.begin(), names.end(), [](std::string a, std::string b) { return a + "~" < b; });
	std::ostringstream out;
	for (const auto &name : names)
		out << name << ' ' << std::hex << name.size() << '\n';
	std::string text = out.str();
	std::regex word("(name|n[ao]t)+x*([0-9]+)?");
	sum += static_cast<size_t>(std::distance(std::sregex_iterator(text.begin(), text.end(), word), {}));
	return sum + by_name.size();
}

} // namespace

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? std::atoi(argv[1]) : 3;
	size_t sum = 0;

	for (int i = 0; i < rounds; i++)
		sum += round_of(i);
	std::cout << "truth sum=" << sum << "\n";
}
