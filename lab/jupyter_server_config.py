"""The course's JupyterLab: used by `make lab` only, apart from your own Jupyter settings."""

import logging

c = get_config()  # noqa: F821
c.ServerApp.port_retries = 100  # a taken port moves on to the next
c.ServerApp.log_level = "WARN"  # the address to open is printed at any level
c.LabApp.log_level = "WARN"
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None  # no question about news at the first start
c.KernelManager.transport_encryption = "auto"  # or every kernel prints a warning
# A saved slider is its pictures behind a plain slider: a widget would be dead without its kernel.
c.FileContentsManager.pre_save_hook = "phi1_lib.course.saving.before_saving"
# jupyter_server_config.d/ turns jupytext off here: with the development tools installed it would
# open the README and the exercise files as notebooks.

# tornado takes jupyter_server's milliseconds for seconds, and warns at every start for nothing.
logging.getLogger("tornado.general").addFilter(lambda r: "ping_timeout" not in r.getMessage())
