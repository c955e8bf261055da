"""The demos behind `wayside demo`: the real gateway process, with simulated people around it.

The one place that knows both the gateway and its strangers; nothing imports it but the command line.
"""

from gateway.cli_demo.fuel_stop import run_fuel_stop

__all__ = ["run_fuel_stop"]
