"""nginx before a deployment, as its users configure it: one `location` with a path of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.programs import find_program
from tests.support.servers.ports import free_port
from tests.support.servers.process import Launch, make_directory, running
from tests.support.servers.web import answers

# What `location` and `proxy_pass` make of a path: nginx, "proxy_pass", with a URI.
CONFIGURATION = """
daemon off;
pid {directory}/pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen 127.0.0.1:{port};
        location {location} {{
            proxy_pass {upstream}{uri};
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection upgrade;
        }}
    }}
}}
"""


@asynccontextmanager
async def nginx(upstream: str, *, location: str, uri: str) -> AsyncIterator[int]:
    """
    Run nginx before an address; yield its port.

    Args:
        upstream: Where requests go, ``http://host:port``.
        location: Which paths go there.
        uri: What nginx puts in the place of the location; empty: it leaves the path as it is.
    """
    port, directory = free_port(), make_directory("nginx")
    file = directory / "nginx.conf"
    words = {"directory": directory, "port": port, "location": location}
    file.write_text(CONFIGURATION.format(**words, upstream=upstream, uri=uri))
    url = f"http://127.0.0.1:{port}"
    launch = Launch(
        name="nginx",
        url=url,
        command=[str(find_program("nginx")), "-c", str(file), "-p", str(directory)],
        directory=directory,
        probe=lambda: answers(url),
    )
    async with running(launch):
        yield port
