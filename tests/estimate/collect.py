#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Collects samples from what a Debian machine holds: collect.py FOLDER [FURTHER_ROOT]

Writes FOLDER/<kind>.<half>.<number>, 200 bytes to 6 kB each; the halves come from different source
files. Prose: message catalogues and manual pages in many languages, package descriptions, licences.
FURTHER_ROOT: a folder with more catalogues, such as unpacked libreoffice-l10n-* packages, for the
languages that few packages are translated to. Nothing of it is kept in this repository.
"""
import base64
import gettext
import glob
import json
import os
import random
import re
import subprocess
import sys
import sysconfig
import time

PER_HALF = 22
LATIN = 'de fr es it pt_BR nl pl cs fi hu tr vi sv ro'.split()
OTHER = 'ru uk bg sr el ar fa he hi bn ta te ml gu th zh_CN zh_TW ja ko ka hy am km my'.split()
EMOJI = '😀 😂 🤣 😊 😍 🙏 👍 🎉 🔥 ❤️ ✨ 🚀 😭 🤔 👏 💯 🙌 😎 🥳 😅 👀 ✅ ⚠️ ❌ 📌 💡 🎯 👩‍💻 🇩🇪 🇫🇷 👍🏽'.split()

random.seed(7)
sources = {}


def add(kind, text):
    if len(text.strip().encode()) >= 400:
        sources.setdefault(kind, []).append(text.strip())


def native(text):
    letters = [c for c in text if c.isalpha()]
    return letters and sum(c > '\u036f' for c in letters) >= 0.6 * len(letters)


def manual(path):
    shown = subprocess.run(['man', '--no-hyphenation', '--no-justification', '-E', 'UTF-8', '-l', path],
                           capture_output=True, env=dict(os.environ, MANWIDTH='1000', LC_ALL='C.UTF-8'))
    return re.sub('.\b', '', shown.stdout.decode('utf8', 'replace'))


def catalogue(kind, path, want):
    try:
        with open(path, 'rb') as file:
            messages = gettext.GNUTranslations(file)._catalog
    except (OSError, ValueError, UnicodeError, LookupError):
        return
    lines = []
    for key, value in messages.items():
        english = (key if isinstance(key, str) else key[0]).split('\x04')[-1]
        text = english if kind == 'en' else value
        if len(english) >= 60 and (kind == 'en' or text != english) and want(text):
            lines.append(text)
    random.shuffle(lines)
    add(kind, '\n'.join(lines))


def prose(further):
    for language in LATIN + OTHER:
        kind = {'pt_BR': 'pt', 'zh_CN': 'zh', 'zh_TW': 'zh_tw'}.get(language, language)
        paths = sorted(glob.glob(f'/usr/share/locale/{language}/LC_MESSAGES/*.mo'))
        if further:
            paths += sorted(glob.glob(f'{further}/**/{language}/LC_MESSAGES/*.mo', recursive=True))
        for path in paths:
            catalogue(kind, path, native if language in OTHER else bool)
        for path in sorted(glob.glob(f'/usr/share/man/{language}/man*/*'))[:30]:
            add(kind, manual(path))
    for path in sorted(glob.glob('/usr/share/locale/de/LC_MESSAGES/*.mo')):
        catalogue('en', path, bool)
    for path in random.sample(glob.glob('/usr/share/man/man[13]/*'), 40):
        add('en', manual(path))
    available = subprocess.run(['apt-cache', 'dumpavail'], capture_output=True).stdout.decode('utf8', 'replace')
    found = re.findall(r'^Description(?:-en)?: (.*(?:\n .*)*)', available, re.M)
    random.shuffle(found)
    for i in range(0, min(len(found), 2000), 25):
        add('en', '\n\n'.join(found[i:i + 25]).replace('\n ', '\n'))


def files(kind, patterns):
    paths = [p for pattern in patterns for p in glob.glob(pattern, recursive=True) if os.path.isfile(p)]
    random.shuffle(paths)
    for path in paths:
        if len(sources.get(kind, [])) >= 60:
            break
        try:
            with open(path, encoding='utf8') as file:
                add(kind, file.read(200000))
        except (OSError, UnicodeError):
            continue


def code():
    here = os.path.dirname(os.path.abspath(__file__))
    files('c', [f'{here}/../../src/**/*.[ch]', '/usr/include/*.h', '/usr/include/linux/*.h'])
    files('python', [f'{sysconfig.get_paths()["stdlib"]}/{depth}.py' for depth in ('*', '*/*')])
    files('js', ['/usr/share/nodejs/**/*.js', '/usr/lib/node_modules/**/*.js', '/usr/share/javascript/**/*.js'])
    files('json', ['/usr/share/**/*.json', '/usr/lib/node_modules/**/*.json', f'{here}/../corpus/*.json'])
    files('markdown', ['/usr/lib/node_modules/**/*.md', '/usr/share/**/*.md'])
    files('html', ['/usr/share/**/*.html', '/usr/share/**/*.xml', '/usr/share/**/*.svg'])
    files('shell', ['/etc/init.d/*', '/usr/share/**/*.sh', '/var/lib/dpkg/info/*.postinst'])


def log_line(form, now):
    stamp = time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now))
    words = ' '.join(random.choice('connect timeout request served client upstream error reading response '
                                   'header session started worker exit retry cache miss'.split())
                     for _ in range(6))
    number = random.randrange
    return (f'{stamp} [{random.choice(["INFO", "WARN", "ERROR"])}] db.{words} id={number(10**6):x} took={number(5000)}ms',
            f'10.{number(256)}.{number(256)}.{number(256)} - - [{stamp}] "GET /api/v2/users/{number(10**6)} HTTP/1.1" '
            f'{random.choice([200, 304, 404])} {number(10**5)} "-" "Mozilla/5.0 (X11; Linux x86_64)"',
            f'{stamp} host{number(20)} sshd[{number(30000)}]: Failed password for invalid user admin from '
            f'10.0.{number(256)}.{number(256)} port {number(65536)} ssh2',
            json.dumps({'ts': round(now, 3), 'level': 'info', 'msg': words, 'span': f'{random.getrandbits(64):016x}'}))[form]


def numbers(form):
    number = random.randrange
    if form == 0:
        return '\n'.join(','.join(str(number(10 ** number(1, 9))) for _ in range(8)) for _ in range(150))
    if form == 1:
        return '\n'.join(','.join(f'{random.gauss(0, 100):.{number(1, 7)}f}' for _ in range(6)) for _ in range(150))
    if form == 2:
        return ''.join(random.choice('0123456789') for _ in range(8000))
    return '\n'.join(f'{number(10**12)}\t2026-{number(1, 13):02d}-{number(1, 29):02d}\t{random.random() * 1e4:.2f}'
                     for _ in range(200))


def data():
    for i in range(40):
        add('log', '\n'.join(log_line(i % 4, 1.7e9 + i * 1e5 + j * 7.3) for j in range(120)))
        encoded = base64.b64encode(random.randbytes(9000)).decode()
        add('base64', encoded if i % 2 else '\n'.join(re.findall('.{1,76}', encoded)))
        raw = random.randbytes(4000)
        add('hex', raw.hex(' ') if i % 2 else raw.hex())
        add('numbers', numbers(i % 4))
        english = random.choice(sources['en']).split()
        add('emoji', ' '.join(random.choice(EMOJI) if random.random() < 0.3 else random.choice(english)
                              for _ in range(900)) if i % 2 else ''.join(random.choice(EMOJI) for _ in range(900)))


def cut(folder):
    os.makedirs(folder, exist_ok=True)
    for kind, texts in sources.items():
        for half in (0, 1):
            own = texts[half::2] or texts
            for n in range(PER_HALF * (2 if kind == 'en' else 1)):
                text = random.choice(own)
                length = max(100, int(300 * 20 ** random.random() * len(text) / len(text.encode())))
                start = random.randrange(max(1, len(text) - length))
                piece = text[start:start + length]
                if len(piece.encode()) >= 200:
                    with open(f'{folder}/{kind}.{half}.{n:03d}', 'w', encoding='utf8') as file:
                        file.write(piece)


if len(sys.argv) < 2:
    sys.exit(__doc__)
prose(sys.argv[2] if len(sys.argv) > 2 else None)
code()
data()
cut(sys.argv[1])
