@echo off
rem Set VISEMA_FOUND to a Python 3.10-3.12 (64 bit), or say what to do and fail.
set "VISEMA_SUITS=import sys; sys.exit(not (sys.version_info[:2] in ((3,10),(3,11),(3,12)) and sys.maxsize > 2**32))"
if defined VISEMA_PYTHON (
    "%VISEMA_PYTHON%" -c "%VISEMA_SUITS%" >nul 2>&1 && (set VISEMA_FOUND="%VISEMA_PYTHON%" & exit /b 0)
)
for %%p in ("py -3.12" "py -3.11" "py -3.10" "python" "python3") do (
    %%~p -c "%VISEMA_SUITS%" >nul 2>&1 && (set "VISEMA_FOUND=%%~p" & exit /b 0)
)
echo Visema needs Python 3.10, 3.11 or 3.12 (64 bit), and none was found. 1>&2
echo Install one from https://www.python.org/downloads/windows/ or name it: set VISEMA_PYTHON=C:\path\to\python.exe 1>&2
exit /b 2
