#pragma once

#include <string>
#include <vector>

namespace razorscope {

/// Tokens' pieces as they can be shown: each whole UTF-8 (bytes of characters that several tokens share go to
/// the last of them), and the text's control characters but line ends replaced.
std::vector<std::string> printable_pieces(const std::vector<std::string>& pieces);

}  // namespace razorscope
