# SPDX-License-Identifier: Apache-2.0
"""A Python program with traffic."""
import sys
import urllib.error
import urllib.request

try:
    print(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode(), end="")
except urllib.error.URLError as error:
    sys.exit(f"python3: {error.reason}")
