(* The rules that carry a statement from pass to pass, and their composition.

   In docs/certificates.md: Lemmas K2a (start), K2b (letters), K7 (the next node), K8 (the answer),
   and the induction of Theorem K. What a layer does is abstract here: any function of the streams
   that is sound between two statements. heads.v and units.v prove that of attention and MLPs.

   In Python: `Position` in verify/kernel/proof.py; each definition names its part. *)

From mathcomp Require Import all_ssreflect all_algebra.
From kernel Require Import task transformer products stated.
Set Implicit Arguments.
Unset Strict Implicit.
Unset Printing Implicit Defensive.
Import Order.Theory GRing.Theory Num.Theory.
Local Open Scope ring_scope.

Section Rules.
Variables (F : realDomainType) (N R d n : nat).
Variable T : task N R.
Variable held : 'I_n.+1 -> token N R -> 'cV[F]_d.
Variable may : 'I_n.+1 -> token N R -> Prop.
Variable any : 'I_n.+1 -> token N R.
Implicit Types (st : state F N R d n) (x : streams F d n) (t : 'I_n.+1 -> token N R).
Implicit Types (e : node N) (u w : seq (letter R)) (r : letter R).

(* Rule 1: `Position.__init__`, before the first layer. *)
Record starts st (origin : 'I_n.+1) : Prop := Starts {
  start_node : at_node st = Some origin;
  start_letters : at_letters st = [::];
  start_tables : tables st = [::];
  start_cases : forall e, may origin (name R e) -> cases st e [::];
  start_stream : forall t e, possible may t -> t origin = name R e ->
    known st e [::] + \sum_p own st p (t p) = held ord_max (t ord_max);
  start_error : forall c, 0 <= error st c 0
}.

Lemma start_holds st origin t e x :
  starts st origin -> possible may t -> t origin = name R e ->
  (forall p, x p = held p (t p)) -> holds held st t e [::] x.
Proof.
move=> [node letters tabs listed stream error0] can at_origin begins; split.
- by apply: listed; rewrite -at_origin.
- exists [::]; first by rewrite tabs.
  by move=> c _; rewrite /limit big_nil addr0 stream // begins subrr normr0.
- by move=> p c _; rewrite begins.
- by move=> p; rewrite node => -[<-].
- by rewrite letters.
Qed.

(* `Position.take`: the letter at position p comes to hand. *)
Record taken p st st' : Prop := Taken {
  take_node : at_node st' = at_node st;
  take_letters : at_letters st' = rcons (at_letters st) p;
  take_cases : forall e u r, cases st e u -> passable T (walk T (rcons u r) e) ->
    cases st' e (rcons u r);
  take_known : forall e u r, cases st e u -> passable T (walk T (rcons u r) e) ->
    known st' e (rcons u r) = known st e u + own st p (Letter r);
  take_own : forall q v, own st' q v = if q == p then 0 else own st q v;
  take_tables : tables st' = tables st;
  take_unknown : forall c, unknown st' c = unknown st c;
  take_written : forall c, written st' c = written st c;
  take_error : error st' = error st
}.

Lemma take_holds p st st' t e u r x :
  taken p st st' -> holds held st t e u x ->
  t p = Letter r -> passable T (walk T (rcons u r) e) -> holds held st' t e (rcons u r) x.
Proof.
move=> [node letters listed stream own' tabs un wr err].
move=> [case0 [rows ch near] fix0 at0 lets] at_p ok.
split.
- exact: listed.
- exists rows; first by rewrite tabs.
  move=> c; rewrite un err => seen.
  suff -> : limit st' t e (rcons u r) rows = limit st t e u rows by exact: near.
  rewrite /limit stream //; congr (_ + _); rewrite -addrA; congr (_ + _).
  rewrite [in RHS](bigD1 p) //= at_p (bigD1 p) //= own' eqxx add0r; congr (_ + _).
  by apply: eq_bigr => q /negbTE other; rewrite own' other.
- by move=> q c; rewrite wr; apply: fix0.
- by move=> q; rewrite node; apply: at0.
- by rewrite letters !map_rcons lets at_p.
Qed.

Fixpoint all_taken ps st st' : Prop :=
  if ps is p :: ps' then exists2 st1, taken p st st1 & all_taken ps' st1 st' else st = st'.

Lemma all_taken_hold ps st st' t e u w x :
  all_taken ps st st' -> holds held st t e u x ->
  [seq t p | p <- ps] = [seq Letter r | r <- w] -> claimed T w (walk T u e) ->
  holds held st' t e (u ++ w) x.
Proof.
elim: ps st u w => [|p ps IH] st u [|r w] //=; first by move=> <-; rewrite cats0.
move=> [st1 take_p take_ps] stands [at_p at_ps] /andP[ok claim].
rewrite -cat_rcons; apply: (IH _ _ _ take_ps) => //; last by rewrite walk_rcons.
by apply: (take_holds take_p stands at_p); rewrite walk_rcons.
Qed.

(* Rule 6, `Position.rebase`: the nodes to which the letters at hand lead are the nodes at hand. A
   column stays known where it is a function of that node over all cases (`kept`); it becomes one
   of a new table, of a row for each choice of letters, where it is a function of them; else it is
   unknown. *)
Record rebased (kept : pred 'I_d) (row : seq (letter R) -> 'cV[F]_d) st st' : Prop := Rebased {
  rebase_node : at_node st' = None;
  rebase_letters : at_letters st' = [::];
  rebase_cases : forall e u, cases st e u -> cases st' (walk T u e) [::];
  rebase_kept : forall e u c, cases st e u -> kept c -> ~~ unknown st' c ->
    known st' (walk T u e) [::] c 0 = known st e u c 0 /\ row u c 0 = 0;
  rebase_by_letters : forall e u c, cases st e u -> ~~ kept c -> ~~ unknown st' c ->
    known st' (walk T u e) [::] c 0 = 0 /\ row u c 0 = known st e u c 0;
  rebase_unknown : forall c, unknown st c -> unknown st' c;
  rebase_table : exists2 tab, tables st' = tab :: tables st
    & forall e u, cases st e u -> row u \in tab;
  rebase_own : forall p v, own st' p v = own st p v;
  rebase_written : forall c, written st' c = written st c;
  rebase_error : error st' = error st
}.

Lemma rebase_holds kept row st st' t e u x :
  rebased kept row st st' -> holds held st t e u x -> holds held st' t (walk T u e) [::] x.
Proof.
move=> [node letters listed by_node by_letters un [tab tabs in_tab] own' wr err].
move=> [case0 [rows ch near] fix0 at0 lets]; split.
- exact: listed.
- exists (row u :: rows); first by rewrite tabs /= (in_tab e).
  move=> c seen; rewrite err.
  have parts : known st' (walk T u e) [::] c 0 + row u c 0 = known st e u c 0.
    case kept_c: (kept c).
      by have [-> ->] := by_node e u c case0 kept_c seen; rewrite addr0.
    by have [-> ->] := by_letters e u c case0 (negbT kept_c) seen; rewrite add0r.
  suff -> : limit st' t (walk T u e) [::] (row u :: rows) c 0 = limit st t e u rows c 0.
    by apply: near; apply: contra seen; apply: un.
  rewrite /limit big_cons (eq_bigr (fun p => own st p (t p))) //.
  by rewrite addrA [_ + row u]addrAC !mxE parts.
- by move=> q c; rewrite wr; apply: fix0.
- by rewrite node.
- by rewrite letters.
Qed.

(* Rule 7, `Position.decide`: in every case the target is above all others. *)
Record decided st (vocabulary : token N R -> Prop) (U : token N R -> 'rV[F]_d)
    (target : node N -> token N R) margin : Prop := Decided {
  decide_reads : forall v, vocabulary v -> reads may (U v) st;
  decide_target : forall e u, cases st e u -> vocabulary (target (walk T u e));
  decide_margin : forall e u v, cases st e u -> vocabulary v -> v <> target (walk T u e) ->
    margin <= ((U (target (walk T u e)) - U v) *m seen any st e u) 0 0
              - (sizes (U (target (walk T u e)) - U v) *m error st) 0 0
}.

Hypothesis any_may : forall p, may p (any p).

Lemma decided_answer st vocabulary U target margin t e u x :
  decided st vocabulary U target margin -> possible may t -> holds held st t e u x ->
  vocabulary (target (walk T u e)) /\
  forall v, vocabulary v -> v <> target (walk T u e) ->
  (U v *m x ord_max) 0 0 + margin <= (U (target (walk T u e)) *m x ord_max) 0 0.
Proof.
move=> [rd listed above] can stands; have case_e := in_cases stands.
have own_row := listed e u case_e; split=> // v row other.
have := read_within any_may (reads_sub (rd _ own_row) (rd v row)) can stands.
move=> /(_ 0 isT); have := above e u v case_e row other.
set W := U _ - U v; set far := (sizes W *m _) 0 0; rewrite distrC => le_margin near.
rewrite addrC -ler_subr_addr.
have -> : (U (target (walk T u e)) *m x ord_max) 0 0 - (U v *m x ord_max) 0 0
        = (W *m x ord_max) 0 0 by rewrite /W mulmxBl !mxE.
apply: (le_trans le_margin); rewrite ler_subl_addr -ler_subl_addl.
exact: (le_trans (ler_norm _) near).
Qed.

(* A pass takes the letters at some positions, and runs a layer. *)
Record pass := Pass { takes : seq 'I_n.+1; runs : streams F d n -> streams F d n }.

Inductive proven : seq pass -> state F N R d n -> state F N R d n -> Prop :=
  | NoPass st : proven [::] st st
  | KeepsNothing ps f passes st st1 st2 st3 :
      all_taken ps st st1 -> sound held may f st1 st2 -> proven passes st2 st3 ->
      proven (Pass ps f :: passes) st st3
  | KeepsColumns ps f passes kept row st st1 st2 st3 st4 :
      all_taken ps st st1 -> sound held may f st1 st2 -> rebased kept row st2 st3 ->
      proven passes st3 st4 -> proven (Pass ps f :: passes) st st4.

Definition positions_taken (passes : seq pass) : seq 'I_n.+1 :=
  flatten [seq takes p | p <- passes].

Definition run (passes : seq pass) x : streams F d n := foldl (fun x p => runs p x) x passes.

Lemma split_letters t ps ps' w :
  [seq t p | p <- ps ++ ps'] = [seq Letter r | r <- w] ->
  exists w1 w2, [/\ w = w1 ++ w2, [seq t p | p <- ps] = [seq Letter r | r <- w1]
    & [seq t p | p <- ps'] = [seq Letter r | r <- w2]].
Proof.
elim: ps w => [|p ps IH] w /=; first by exists [::], w.
case: w => // r w [at_p /IH[w1 [w2 [-> at1 at2]]]].
by exists (r :: w1), w2; split; rewrite //= at_p at1.
Qed.

(* After all passes the stream is as stated, with a node and letters at hand that lead to where
   the whole path leads. *)
Theorem passes_compose passes st st' t e u w x :
  proven passes st st' -> possible may t -> holds held st t e u x ->
  [seq t p | p <- positions_taken passes] = [seq Letter r | r <- w] -> claimed T w (walk T u e) ->
  exists e' u', holds held st' t e' u' (run passes x) /\ walk T u' e' = walk T w (walk T u e).
Proof.
move=> steps can; elim: steps e u w x => {passes st st'}.
- by move=> st e u [|r w] x // stands _ _; exists e, u.
- move=> ps f passes st st1 st2 st3 take_ps ok _ IH e u w x stands.
  rewrite /positions_taken /= => /split_letters[w1 [w2 [-> at_w1 at_w2]]].
  rewrite claimed_cat => /andP[claim1 claim2].
  have stands2 := ok _ _ _ _ can (all_taken_hold take_ps stands at_w1 claim1).
  have [|e' [u' [stands' lead_on]]] := IH _ _ w2 _ stands2 at_w2; first by rewrite walk_cat.
  by exists e', u'; split=> //; rewrite lead_on !walk_cat.
- move=> ps f passes kept row st st1 st2 st3 st4 take_ps ok re _ IH e u w x stands.
  rewrite /positions_taken /= => /split_letters[w1 [w2 [-> at_w1 at_w2]]].
  rewrite claimed_cat => /andP[claim1 claim2].
  have stands2 := ok _ _ _ _ can (all_taken_hold take_ps stands at_w1 claim1).
  have [|e' [u' [stands' lead_on]]] := IH _ [::] w2 _ (rebase_holds re stands2) at_w2.
    by rewrite /= walk_cat.
  by exists e', u'; split=> //; rewrite lead_on /= !walk_cat.
Qed.

End Rules.
