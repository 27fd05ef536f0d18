"""Grading: the course's own pytest files behind `pytest exercises`, `%check` and `phi1 grade`.

- `plugin.py` is the pytest plugin, with `source.py` (the submission's text), `policy.py` (what it
  may import) and `results.py` (the rows).
- `remote.py`, `proxies.py`, `host.py` and `codec.py` keep a submission out of the process that
  judges it.
- `worker.py` owns a warm process (`judge.py`) that runs pytest on one answer file after another.
- `grade.py` grades a folder of submissions with it: `handins.py` finds and reads them, `parts.py`
  keeps what is done, `marks.py` gives points, `reports.py` and `page.py` write what came out.
"""
