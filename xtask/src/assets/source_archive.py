"""Downloads a package's source archive with pip's own index client, and stops there.

`pip download` would run the package's set-up script to learn its metadata; nothing fetched is run here.

    python source_archive.py PACKAGE VERSION FOLDER
"""

import sys

from pip._internal.commands import create_command
from pip._internal.network.download import Downloader
from pip._vendor.packaging.specifiers import SpecifierSet


def main(package, version, folder):
    command = create_command("download")
    options, _ = command.parse_args(["--no-deps", "--no-binary=:all:", package])
    with command.main_context():
        session = command.get_default_session(options)
        finder = command._build_package_finder(options, session)
        best = finder.find_best_candidate(package, SpecifierSet(f"=={version}")).best_candidate
        if best is None:
            sys.exit(f"no source archive of {package} {version} answers")
        Downloader(session, "off")(best.link, folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
