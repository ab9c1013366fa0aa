# SPDX-License-Identifier: Apache-2.0
"""Authorities and certificates for a story, made by openssl(1)."""

import os
import subprocess


def openssl(*words, folder):
    subprocess.run(["openssl", *words], cwd=folder, check=True, stdin=subprocess.DEVNULL, capture_output=True)


def new_key(name):
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", f"{name}.key"]


class Authority:
    """NAME.pem and NAME.key in the folder, and what it signs beside them."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        openssl("req", "-x509", *new_key(name), "-subj", f"/CN={name}", "-days", "2", "-out", f"{name}.pem",
                "-addext", "keyUsage=critical,keyCertSign", folder=folder)
        self.file = os.path.join(folder, f"{name}.pem")

    def sign(self, name, names="IP:127.0.0.1", days="2", out=None):
        """(certificate, key), for these subjectAltNames; in `out`.pem and .key, where others may have been."""
        out = out or name
        openssl("req", *new_key(out), "-subj", f"/CN={name}", "-out", f"{out}.csr", folder=self.folder)
        with open(os.path.join(self.folder, f"{out}.ext"), "w", encoding="ascii") as file:
            file.write(f"subjectAltName={names}\n")
        openssl("x509", "-req", "-in", f"{out}.csr", "-CA", f"{self.name}.pem", "-CAkey", f"{self.name}.key",
                "-CAcreateserial", "-days", days, "-extfile", f"{out}.ext", "-out", f"{out}.pem", folder=self.folder)
        files = os.path.join(self.folder, f"{out}.pem"), os.path.join(self.folder, f"{out}.key")
        os.chmod(files[1], 0o600)
        return files
