"""debug_server.py DIRECTORY LOG [hang]: the part of a debuginfod server that is asked for debug files. Serves
DIRECTORY/BUILDID under /buildid/BUILDID/debuginfo at a port of its own, which it prints; writes each path that is asked
for to LOG. With "hang" it takes questions and never answers."""

import http.server
import os
import shutil
import sys
import threading

DIRECTORY, LOG, HANG = sys.argv[1], sys.argv[2], sys.argv[3:] == ["hang"]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        with open(LOG, "a") as log:
            log.write(self.path + "\n")
        if HANG:
            threading.Event().wait()
        parts = self.path.strip("/").split("/")
        file = os.path.join(DIRECTORY, parts[1]) if len(parts) == 3 and parts[1].isalnum() else ""
        if parts[0] != "buildid" or parts[-1] != "debuginfo" or not os.path.isfile(file):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(os.path.getsize(file)))
        self.end_headers()
        with open(file, "rb") as body:
            shutil.copyfileobj(body, self.wfile)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
