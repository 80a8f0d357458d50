# SPDX-License-Identifier: Apache-2.0
"""What the scenarios (and benchmarks) stand on: hermetic networks, netext instances, small clients."""
