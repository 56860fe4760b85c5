export OMP_NUM_THREADS=1 PYTHONPATH=/root/keep/wt3
for t in 0.02 0.06; do
TAU=$t /work/main/.venv/bin/python -m diffusion_mpc_ros.cli train export --artefact /work/main/runs/art2 --output /root/keep/s13/art_v$t >/dev/null 2>&1
done
/work/main/.venv/bin/python v.py 2>/dev/null
