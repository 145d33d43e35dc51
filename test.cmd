@echo off
rem Run the tests: installs what they need into .venv; arguments go to pytest. --all adds the long ones.
setlocal
call "%~dp0tools\find_python.cmd" || exit /b 2
%VISEMA_FOUND% "%~dp0tools\launch.py" test %*
exit /b %ERRORLEVEL%
