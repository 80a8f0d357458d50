// SPDX-License-Identifier: Apache-2.0
// A Node program with traffic.
const http = require("http");

http.get(process.argv[2], (answer) => answer.pipe(process.stdout))
    .on("error", (error) => console.error(`node: ${error.message}`));
