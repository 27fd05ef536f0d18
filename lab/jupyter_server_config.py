"""The course's JupyterLab: used by `make lab` only, apart from your own Jupyter settings."""

c = get_config()  # noqa: F821
c.ServerApp.port_retries = 100  # a taken port moves on to the next
c.ServerApp.log_level = "WARN"  # the address to open is printed at any level
c.LabApp.log_level = "WARN"
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None  # no question about news at the first start
c.KernelManager.transport_encryption = "auto"  # or every kernel prints a warning
# jupyter_server_config.d/ turns jupytext off here: with the development tools installed it would
# open the README and the exercise files as notebooks.
