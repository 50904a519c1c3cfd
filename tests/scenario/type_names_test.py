"""No two headers define types of one name: the linker would mix them up without a word.

Usage: type_names_test.py PROGRAM SOURCES
"""

import collections
import pathlib
import re
import sys
import unittest

DEFINITION = re.compile(r"^(?:struct|class|enum class|enum) (\w+)(?: final)?(?: ?:[^;{]*)? ?\{", re.M)
NAMESPACE = re.compile(r"^namespace ([\w:]+) \{", re.M)


class TypeNames(unittest.TestCase):
    def test_are_unique(self):
        files = collections.defaultdict(list)
        for folder in ("models", "policies", "sim", "experiments", "gui"):
            for path in (SOURCES / folder).rglob("*.hpp"):
                text = path.read_text()
                namespace = NAMESPACE.search(text)
                for name in DEFINITION.findall(text):
                    files[namespace and namespace.group(1), name].append(str(path.relative_to(SOURCES)))
        self.assertGreater(len(files), 200)
        self.assertEqual({name: paths for name, paths in files.items() if len(paths) > 1}, {})


if __name__ == "__main__":
    SOURCES = pathlib.Path(sys.argv[2])
    unittest.main(argv=sys.argv[:1])
