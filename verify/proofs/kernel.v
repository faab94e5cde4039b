(* The kernel's theorem for one deciding position, and for models that answer directly.

   Theorem K of docs/certificates.md, for one run: if every pass obeys the rules (letters are
   taken, heads and units checked, columns kept or not), and in every case that remains the target
   is above all others by `margin`, then the model says the target: its logit at the last position
   is above all others by `margin`, of every prompt whose tokens are possible and whose path is
   claimed. `direct_model_right`: so a model of k hops answers every claimed query of k relations.

   In Python: `Position.margin` and `prove` in verify/kernel/proof.py. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products stated rules units weights heads.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Run.
Variables (F : realDomainType) (N R n : nat) (T : task N R) (m : model F N R).
Variables (weigh : weighing F) (leak : F -> F).
Variable may : 'I_n.+1 -> token N R -> Prop. (* `kinds` *)
Variable any : 'I_n.+1 -> token N R.

Notation state := (state F N R (width m) n).

Definition held (p : 'I_n.+1) (v : token N R) : 'cV[F]_(width m) :=
  embedding m v + positions m p.

Definition fed (u : option (mlp F (width m) (width m))) (st st' : state) : Prop :=
  if u is Some W then units_checked may any W st st' else st = st'.

(* Each layer with the positions of the letters that its pass takes. *)
Inductive layers_proven :
    seq (layer F (width m)) -> seq (seq 'I_n.+1) -> state -> state -> Prop :=
  | NoLayer st : layers_proven [::] [::] st st
  | LayerKeepsNothing l ls ps pss fs st st1 st2 st3 st4 :
      all_taken T ps st st1 -> layer_checked leak held may any st1 st2 (heads l) fs ->
      fed (units l) st2 st3 -> layers_proven ls pss st3 st4 ->
      layers_proven (l :: ls) (ps :: pss) st st4
  | LayerKeepsColumns l ls ps pss fs kept row st st1 st2 st3 st4 st5 :
      all_taken T ps st st1 -> layer_checked leak held may any st1 st2 (heads l) fs ->
      fed (units l) st2 st3 -> rebased T kept row st3 st4 -> layers_proven ls pss st4 st5 ->
      layers_proven (l :: ls) (ps :: pss) st st5.

Definition run_proven (origin : 'I_n.+1) (at_letters : seq 'I_n.+1)
    (target : node N -> token N R) (margin : F) : Prop :=
  (forall p, may p (any p)) /\
  exists st st' pss, [/\ starts held may st origin, layers_proven (layers m) pss st st',
    flatten pss = at_letters & decided T may any st' (vocabulary m) (unembedding m) target margin].

Hypothesis weighs : leaks_at_most weigh n leak.

Lemma layer_sound l fs st st1 st2 :
  (forall p, may p (any p)) ->
  layer_checked leak held may any st st1 (heads l) fs -> fed (units l) st1 st2 ->
  sound held may (fun x => apply_layer weigh x l) st st2.
Proof.
move=> any_may by_heads by_units t e u x can stands; rewrite /apply_layer.
have := heads_sound weighs any_may by_heads can stands.
case: (units l) by_units => [W|] /= checked stands1.
  exact: (units_sound any_may checked can stands1).
rewrite -checked; case: stands1 => listed said fix0 at0 lets; split=> //.
  by case: said => rows ch near; exists rows => // c unk; rewrite /feed addr0; apply: near.
by move=> p c wr; rewrite /feed addr0; apply: fix0.
Qed.

Lemma layers_sound ls pss st st' :
  (forall p, may p (any p)) -> layers_proven ls pss st st' ->
  exists passes, [/\ proven T held may passes st st', positions_taken passes = flatten pss
    & forall x, run passes x = forward weigh ls x].
Proof.
move=> any_may steps; elim: {ls pss st st'} steps.
- by move=> st; exists [::]; split=> //; apply: NoPass.
- move=> l ls ps pss fs st st1 st2 st3 st4 take_ps by_heads by_units _ [passes [ok at_w same]].
  exists (Pass ps (fun x => apply_layer weigh x l) :: passes); split=> //.
    exact: (KeepsNothing take_ps (layer_sound any_may by_heads by_units)).
    by rewrite /positions_taken /= -at_w.
  by move=> x; apply: same.
- move=> l ls ps pss fs kept row st st1 st2 st3 st4 st5 take_ps by_heads by_units re _.
  move=> [passes [ok at_w same]].
  exists (Pass ps (fun x => apply_layer weigh x l) :: passes); split=> //.
    exact: (KeepsColumns take_ps (layer_sound any_may by_heads by_units) re).
    by rewrite /positions_taken /= -at_w.
  by move=> x; apply: same.
Qed.

Theorem run_right origin at_letters target margin t e w :
  run_proven origin at_letters target margin ->
  possible may t -> t origin = name R e ->
  [seq t p | p <- at_letters] = [seq Letter r | r <- w] -> claimed T w e ->
  says weigh m t (target (walk T w e)) margin.
Proof.
move=> [any_may [st [st' [pss [begin steps at_w last]]]]] can at_origin at_ps claim.
have [passes [ok positionsE runE]] := layers_sound any_may steps.
have stands := start_holds begin can at_origin (fun p => erefl (held p (t p))).
have [|e' [u' [stands' lead_on]]] := passes_compose ok can stands _ claim.
  by rewrite positionsE at_w.
rewrite /says /logit -runE -[walk T w e]lead_on.
exact: (decided_answer any_may last can stands').
Qed.

End Run.

Section Direct.
Variables (F : realDomainType) (N R k : nat) (T : task N R) (m : model F N R).
Variables (weigh : weighing F) (leak : F -> F).
Hypothesis weighs : leaks_at_most weigh k leak.

(* The query (s, r_1 ... r_k). *)
Definition query_tokens (s : 'I_N) (w : k.-tuple (letter R)) (p : 'I_k.+1) : token N R :=
  if unlift ord0 p is Some i then Letter (tnth w i) else Entity s.

Definition query_kinds (p : 'I_k.+1) (v : token N R) : Prop :=
  if unlift ord0 p is Some i then exists r, v = Letter r else exists s, v = Entity s.

Theorem direct_model_right any margin :
  run_proven T m leak query_kinds any ord0 [seq lift ord0 i | i <- enum 'I_k] (name R) margin ->
  forall s (w : k.-tuple (letter R)), claimed T w (Some s) ->
  says weigh m (query_tokens s w) (name R (walk T w (Some s))) margin.
Proof.
move=> proof s w claim; apply: (run_right weighs proof) claim.
- by move=> p; rewrite /query_kinds /query_tokens; case: unliftP => [i|] _; eexists.
- by rewrite /query_tokens unlift_none.
- rewrite -map_comp -[in RHS](map_tnth_enum w) -map_comp; apply: eq_map => i /=.
  by rewrite /query_tokens liftK.
Qed.

End Direct.
