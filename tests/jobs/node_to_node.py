"""One node asks another over HTTP by its address, with every client: as on Vertex AI, no proxy is in between."""

import asyncio
import http.server
import json
import threading
import urllib.request

import aiohttp
import ray
import requests

ray.init(log_to_driver=False)


@ray.remote(num_cpus=0.1)
class Server:
    def start(self):
        server = http.server.ThreadingHTTPServer(("0.0.0.0", 0), http.server.SimpleHTTPRequestHandler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://{ray.util.get_node_ip_address()}:{server.server_port}/"


server = Server.remote()
url = ray.get(server.start.remote())


async def ask():
    async with aiohttp.ClientSession(trust_env=True) as session, session.get(url) as reply:
        return reply.status


answers = {
    "requests": requests.get(url, timeout=60).status_code,
    "aiohttp": asyncio.run(ask()),
    "urllib": urllib.request.urlopen(url, timeout=60).status,
}
print("RESULT", json.dumps(answers))
