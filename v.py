from pathlib import Path
from diffusion_mpc_ros.diffusion.artefact import load
from diffusion_mpc_ros.evaluation.adaptation.walks import LoopConfig, Walks
from diffusion_mpc_ros.evaluation.adaptation.objectives import *
from diffusion_mpc_ros.evaluation.adaptation.comparison import compare
c=make_composer()
for a in ('/work/main/runs/art2','/root/keep/s13/art_v0.02','/root/keep/s13/art_v0.06'):
    w=Walks(LoopConfig(robots=12,ticks=300,seed=1,threads=1),load(Path(a)),tick_penalties(c))
    for n in (1,10):
        s=c.apply(0.,constraints=('joint_velocity',),parameters={'joint_velocity.max':6.0},preset='none')
        r=compare(w.run(s,candidates=n,reward=False,label=''),w.unplanned,list(OBJECTIVES),0)
        print(a,n,round(r['tracking_ratio'],4),r['survival'],{k:round(v['change'],3) for k,v in r['penalties'].items()},flush=True)
